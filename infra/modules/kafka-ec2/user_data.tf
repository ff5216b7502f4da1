# The instance's user data: setup.sh and what it puts in place. Topics and connector are those of strimzi/.

locals {
  repository = "${path.module}/../../.."

  topic_files = concat(
    [for file in fileset("${local.repository}/strimzi/base/topics", "clickstream-*.yaml") : "base/topics/${file}"],
    [for file in fileset("${local.repository}/strimzi/archive/topics", "clickstream-archive-*.yaml") : "archive/topics/${file}"],
  )
  topics = [for file in local.topic_files : yamldecode(file("${local.repository}/strimzi/${file}"))]

  # A line for each topic: its name, partitions and settings.
  topic_lines = [for topic in local.topics : join(" ", concat(
    [try(topic.spec.topicName, topic.metadata.name), topic.spec.partitions],
    [for setting, value in topic.spec.config : "${setting}=${value}" if setting != "min.insync.replicas"],
  ))]

  connector = merge(
    jsondecode(file("${local.repository}/strimzi/archive/connector-glue.json")).config,
    { "iceberg.control.commit.interval-ms" = tostring(var.commit_interval_s * 1000) },
  )

  user_data = templatefile("${path.module}/user-data.sh.tftpl", {
    settings = {
      ROOT            = ""
      ADDRESS         = aws_network_interface.this.private_ip
      PORT            = var.port
      LOCAL_PORT      = 9092
      CONTROLLER_PORT = 9094
      CONNECT_PORT    = 8083
      REGION          = local.region
      WAREHOUSE       = "s3://${var.archive_bucket}"
      SECRET_ARN      = aws_secretsmanager_secret.this.arn
      MAVEN           = var.maven_url
      DEVICE          = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${replace(aws_ebs_volume.data.id, "-", "")}"
    }
    files = merge(
      { for file in fileset("${path.module}/instance", "**") : file => file("${path.module}/instance/${file}") },
      {
        "jars.lock"      = file("${path.module}/jars.lock")
        "topics"         = join("\n", local.topic_lines)
        "connector.json" = jsonencode(local.connector)
      },
    )
  })
}
