"""What infra/ has in Terraform, planned and applied against a stand-in for AWS."""
