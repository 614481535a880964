"""Apache Kafka 4 for tests and for trying out: jars by Maven, nodes as child processes, nothing to install but Java.

kafka = KafkaCluster(prepared(), folder)          # or nodes=3, or security=Security(..)
kafka.start()                                     # in an event loop: await drive_async(kafka.starting())
kafka.bootstrap, kafka.nodes[0].kill(), kafka.nodes[0].start(), kafka.nodes[0].freeze()
kafka.stop()
"""

from stack.kafka.archive import prepared
from stack.kafka.cluster import KafkaCluster
from stack.kafka.jars import Jars, KafkaMissing, fetched
from stack.kafka.node import KafkaNode
from stack.kafka.security import Security

__all__ = ["Jars", "KafkaCluster", "KafkaMissing", "KafkaNode", "Security", "fetched", "prepared"]
