# One instance with a Kafka broker (KRaft) and Kafka Connect, whose connector fills the archive's bucket. For trying out:
# one copy of everything, and minutes without Kafka whenever the instance is replaced.

data "aws_region" "current" {}

data "aws_subnet" "this" {
  id = var.subnet_id
}

# The newest Amazon Linux 2023 at the first apply; later ones do not replace the instance.
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${local.architecture}"
}

locals {
  region       = data.aws_region.current.name
  instance     = "${var.name}-kafka"
  architecture = can(regex("^[a-z]+[0-9]+g", var.instance_type)) ? "arm64" : "x86_64"
  tags         = merge(var.tags, { Name = local.instance })
}

# Its address stays when the instance is replaced: clients and the broker's certificate know it.
resource "aws_network_interface" "this" {
  subnet_id       = var.subnet_id
  description     = "Kafka's address"
  security_groups = [aws_security_group.this.id]
  tags            = local.tags
}

resource "aws_ebs_volume" "data" {
  availability_zone = data.aws_subnet.this.availability_zone
  type              = "gp3"
  size              = var.volume_gb
  encrypted         = true
  kms_key_id        = var.kms_key_arn
  tags              = merge(local.tags, { Name = "${local.instance}-data" })
}

resource "aws_instance" "this" {
  ami                         = data.aws_ssm_parameter.image.insecure_value
  instance_type               = var.instance_type
  iam_instance_profile        = aws_iam_instance_profile.this.name
  user_data_base64            = base64gzip(local.user_data)
  user_data_replace_on_change = true
  tags                        = local.tags

  network_interface {
    device_index         = 0
    network_interface_id = aws_network_interface.this.id
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 16
    encrypted   = true
    kms_key_id  = var.kms_key_arn
    tags        = local.tags
  }

  lifecycle {
    ignore_changes = [ami]
  }

  # The first start puts the password into the secret.
  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy_attachment.connect]
}

resource "aws_volume_attachment" "data" {
  instance_id                    = aws_instance.this.id
  volume_id                      = aws_ebs_volume.data.id
  device_name                    = "/dev/sdf"
  stop_instance_before_detaching = true
}
