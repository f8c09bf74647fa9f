"""The course: lessons in one source each, run once, and told in every language as pages and as notebooks."""
