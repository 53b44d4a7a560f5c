"""HTTP for machines: Starlette's request and response with bounds, strict forms, rate and concurrency limits."""
