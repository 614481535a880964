"""Write the JSON Schema snapshots of the contract. A changed snapshot is a changed contract."""

from shared.events.schemas import write

if __name__ == "__main__":
    write()
