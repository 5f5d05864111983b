"""An airbyte-cdk low-code source that groups 200 ids into one call with its GroupingPartitionRouter."""

from airbyte_manifest import SUBSTREAM, sync
from peer import run


def main():
    grouped = {
        "type": "GroupingPartitionRouter",
        "group_size": 200,
        "underlying_partition_router": SUBSTREAM,
        "deduplicate": True,
    }
    return sync(grouped, "{{ stream_partition.orderId | join(',') }}")


if __name__ == "__main__":
    run(main)
