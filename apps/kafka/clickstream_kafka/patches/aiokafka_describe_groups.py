"""The answer to DescribeGroups version 3 is decoded as what it is.

aiokafka takes it for an answer of version 2, which lacks its last field, and fails to decode it.

Written for aiokafka 0.14.
Upstream: none found.
Delete when DescribeGroupsRequest_v3 names DescribeGroupsResponse_v3.
"""

from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3


def apply() -> None:
    DescribeGroupsRequest_v3.RESPONSE_TYPE = DescribeGroupsResponse_v3
