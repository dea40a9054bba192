// Package framepb is frame.proto as the general protobuf library reads it. Only
// tests use it: it is the independent witness that the codec by hand in
// package streams writes real protobuf.
package framepb

//go:generate sh -c "cd .. && ../node_modules/.bin/buf generate --template buf.gen.yaml"
