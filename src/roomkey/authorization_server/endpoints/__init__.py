"""The addresses that OAuth clients and APIs know, one file for each."""
