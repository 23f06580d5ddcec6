"""Asking models many things exactly once: jobs and answers, a store, and models in folders, behind servers, on Ray."""
