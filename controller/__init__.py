"""The operator: carries out each AnsibleTask in a Job and mirrors what happens to its status."""
