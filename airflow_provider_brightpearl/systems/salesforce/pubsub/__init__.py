"""The protocol of Salesforce's Pub/Sub API, as the vendor publishes it: `pubsub_api.proto`, and the modules made of it.

They are made by grpcio-tools 1.62.3, the last whose code does not depend on the version of protobuf that runs it:

    python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. \
        airflow_provider_brightpearl/systems/salesforce/pubsub/pubsub_api.proto
"""
