# scripts: what the README and CI call
