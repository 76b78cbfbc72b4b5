"""What lesson 22 claims."""

CLAIMS = [
    ("243.9 MB", "megabytes['data']"),
    ("15.9 MB", "megabytes['columns']"),
    ("2.81 Gbit/s", "pays['data']"),
    ("0.16 Gbit/s", "pays['hybrid']"),
]
QUOTED = []
