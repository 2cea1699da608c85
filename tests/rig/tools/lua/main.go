// Command lua runs a script as Argo CD does, with what Argo CD gives it and no more: the base, table
// and package libraries, `time` and `date` of `require("os")`, the object as `obj`, and a second.
//
// On stdin is {"script": …, "object": …}. What the script returns is printed as JSON; with the
// argument `patch`, it is taken for the changed object, and the JSON merge patch to it is printed,
// which is what Argo CD sends to the API server.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

type task struct {
	Script string          `json:"script"`
	Object json.RawMessage `json:"object"`
}

func main() {
	if err := run(os.Stdin, os.Stdout, len(os.Args) > 1 && os.Args[1] == "patch"); err != nil {
		fmt.Fprintln(os.Stderr, "lua:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, patch bool) error {
	var given task
	if err := json.NewDecoder(in).Decode(&given); err != nil {
		return err
	}
	returned, err := execute(given)
	if err != nil {
		return err
	}
	if patch {
		if returned, err = patchTo(given.Object, returned); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(out, string(returned))
	return err
}

func execute(given task) ([]byte, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		if err := call(state, open, name); err != nil {
			return nil, err
		}
	}
	if err := offerClock(state); err != nil {
		return nil, err
	}
	object, err := luajson.Decode(state, given.Object)
	if err != nil {
		return nil, err
	}
	state.SetGlobal("obj", object)
	deadline, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(deadline)
	if err := state.DoString(given.Script); err != nil {
		return nil, err
	}
	returned := state.Get(-1)
	if returned.Type() != lua.LTTable {
		return nil, fmt.Errorf("the script returns a %s, not a table", returned.Type())
	}
	return luajson.Encode(returned)
}

// offerClock lets scripts require "os" and find a clock there, but no files and no processes.
func offerClock(state *lua.LState) error {
	if err := call(state, lua.OpenOs, lua.OsLibName); err != nil {
		return err
	}
	all, ok := state.GetGlobal(lua.OsLibName).(*lua.LTable)
	if !ok {
		return errors.New("there is no library os")
	}
	clock := state.NewTable()
	for _, function := range []string{"time", "date"} {
		clock.RawSetString(function, all.RawGetString(function))
	}
	state.SetGlobal(lua.OsLibName, lua.LNil)
	loaded := state.GetField(state.GetField(state.Get(lua.EnvironIndex), "package"), "loaded")
	state.SetField(loaded, lua.OsLibName, lua.LNil)
	state.PreloadModule(lua.OsLibName, func(state *lua.LState) int {
		state.Push(clock)
		return 1
	})
	return nil
}

func call(state *lua.LState, open lua.LGFunction, name string) error {
	function := lua.P{Fn: state.NewFunction(open), NRet: 0, Protect: true}
	return state.CallByParam(function, lua.LString(name))
}

func patchTo(object, changed []byte) ([]byte, error) {
	var before, after any
	if err := json.Unmarshal(object, &before); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(changed, &after); err != nil {
		return nil, err
	}
	restored, err := json.Marshal(restoreObjects(before, after))
	if err != nil {
		return nil, err
	}
	return jsonpatch.CreateMergePatch(object, restored)
}

// restoreObjects makes objects again of what they were: an empty table of Lua becomes an array.
func restoreObjects(before, after any) any {
	switch was := before.(type) {
	case map[string]any:
		switch is := after.(type) {
		case map[string]any:
			for key, value := range is {
				is[key] = restoreObjects(was[key], value)
			}
		case []any:
			if len(is) == 0 {
				return map[string]any{}
			}
		}
	case []any:
		if is, ok := after.([]any); ok {
			for i := range min(len(was), len(is)) {
				is[i] = restoreObjects(was[i], is[i])
			}
		}
	}
	return after
}
