// Holds the CRD of Flux' Kustomization, by which the documentation is tested.
module tempcred.dev/rig/tools/flux

go 1.26.0

require github.com/fluxcd/kustomize-controller v1.7.3
