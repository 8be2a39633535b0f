//go:build !nolab && slow

package own

func init() {
	larger = []attack{
		{"large texts", whenSaid("state.x = [\"a\" * 900000000, \"b\" * 900000000]"), "MB of memory"},
		{"doubling list", whenSaid("x = [1]\nfor i in range(60):\n    x += x"), "MB of memory"},
		{"joined", whenSaid("x = \"a\" * 1000000\nx.join([x] * 1000000)"), "MB of memory"},
		{"kept", whenSaid("for i in range(20000):\n    state[(i, now())] = \"a\" * 10000 + str(i)"), "MB of memory"},
		{"squares", whenSaid("x = 3\nfor i in range(60):\n    x = x * x"), "MB of memory|real time"},
		{"doubled lists printed", whenSaid("x = [1]\nfor i in range(60):\n    x = [x, x]\n\"%s\" % x"), "MB of memory|real time"},
		{"deep lists", "def on_start():\n    state.x = []\n" + whenSaid("x = state.x\nfor i in range(40000):\n    x = [x]\nstate.x = x\nset_timer(1, 100)") +
			"def on_timer(name):\n    fail(\"%s\" % state.x)\n", "stack is full|real time"},
	}
}
