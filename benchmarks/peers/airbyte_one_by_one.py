"""An airbyte-cdk low-code source as its documentation shows substreams: a search, then one call per order."""

from airbyte_manifest import SUBSTREAM, sync
from peer import run


def main():
    return sync(SUBSTREAM, "{{ stream_partition.orderId }}")


if __name__ == "__main__":
    run(main)
