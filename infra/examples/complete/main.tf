# A cluster on which ./setup.sh runs, the registry for its images, and the bucket for its archive.

module "network" {
  source = "../../modules/network"

  name         = var.name
  nat_gateways = var.nat_gateways
  tags         = var.tags
}

module "registry" {
  source = "../../modules/registry"

  name         = var.name
  force_delete = var.disposable
  tags         = var.tags
}

module "archive" {
  source = "../../modules/archive"

  name          = var.name
  force_destroy = var.disposable
  tags          = var.tags
}

module "eks" {
  source = "../../modules/eks"

  name              = var.name
  vpc_id            = module.network.vpc_id
  subnets           = module.network.private_subnets
  api_public_cidrs  = var.api_public_cidrs
  api_private_cidrs = var.api_private_cidrs
  access            = var.access
  image_registry    = module.registry.registry
  tags              = var.tags

  archive = {
    bucket   = module.archive.bucket
    region   = module.archive.region
    role_arn = module.archive.connect_role_arn
  }
}
