"""What this machine has, and what each job needs. Runs in any Python from 3.10 on, with the standard library alone."""
