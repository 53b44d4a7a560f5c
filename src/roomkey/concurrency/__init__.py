"""What threads, event loops and forks share: a job with many who wait, threads that do jobs, documents kept fresh."""
