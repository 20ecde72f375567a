module octans.io/cluster/pause

go 1.21
