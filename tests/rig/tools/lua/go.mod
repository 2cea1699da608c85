// The Lua of Argo CD, which runs the health checks and actions of examples/argocd.
module tempcred.dev/rig/tools/lua

go 1.26.7

require (
	github.com/evanphx/json-patch/v5 v5.9.11
	github.com/yuin/gopher-lua v1.1.2
	layeh.com/gopher-json v0.0.0-20190114024228-97fed8db8427
)
