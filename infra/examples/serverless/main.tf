# Browsers' events without a cluster: API Gateway and Lambda send them to one Kafka instance, whose Connect archives them.

provider "aws" {
  region = var.region

  default_tags {
    tags = var.tags
  }
}

module "network" {
  source = "../../modules/network"

  name         = var.name
  nat_gateways = 1
}

module "registry" {
  source = "../../modules/registry"

  name         = var.name
  apps         = ["collector-lambda"]
  force_delete = var.disposable
}

module "archive" {
  source = "../../modules/archive"

  name          = var.name
  force_destroy = var.disposable
}

module "kafka" {
  source = "../../modules/kafka-ec2"

  name                   = var.name
  vpc_id                 = module.network.vpc_id
  subnet_id              = module.network.private_subnet_ids[0]
  instance_type          = var.instance_type
  client_security_groups = { collector = module.collector.security_group_id }
  archive_bucket         = module.archive.bucket
  connect_policy_arn     = module.archive.connect_policy_arn
  commit_interval_s      = var.commit_interval_s
  secret_recovery_days   = var.disposable ? 0 : 7
}

module "collector" {
  source = "../../modules/lambda-collector"

  name                  = var.name
  image_uri             = "${module.registry.repository_urls["collector-lambda"]}:${var.image_tag}"
  architecture          = var.architecture
  vpc_id                = module.network.vpc_id
  subnet_ids            = slice(module.network.private_subnet_ids, 0, 2)
  bootstrap_servers     = module.kafka.bootstrap_servers
  kafka_port            = module.kafka.port
  kafka_security_groups = { kafka = module.kafka.security_group_id }
  create_secret         = false
  secret_arns           = [module.kafka.secret_arn]
  allowed_origins       = var.allowed_origins
  alarm_actions         = var.alarm_actions
}
