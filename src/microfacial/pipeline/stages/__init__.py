"""One module per stage: read, call the core, write, track. No arithmetic. Each imports only what its stage needs."""
