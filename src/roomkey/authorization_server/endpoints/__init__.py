"""The endpoints of the auth service: requests in, answers out; what they do stands in the packages beside this one."""
