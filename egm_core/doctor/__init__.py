"""What this machine has, and what each job needs. Runs in any Python from 3.9 on, with the standard library alone."""
