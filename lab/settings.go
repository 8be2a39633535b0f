//go:build !nolab

package lab

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/lab/wire"
)

// Settings are what is asked of a run, by name, as people write it: "2%",
// "20ms", "2mbit". See AllSettings.
type Settings map[string]string

// A Setting is one of the things that a run can be asked.
type Setting struct {
	Name   string
	Help   string // one line, with an example
	parse  func(v *Values, text string) error
	format func(v *Values) string
}

// Values are settings that were understood.
type Values struct {
	Seed      uint64
	Way       wire.Way  // of all ways, or of one if From is set
	From, To  string    // to whom the loss is done; empty: to all
	Port      wire.Port // of all hosts
	MTU       int
	Drops     []wire.Rule
	Cut       time.Duration // when the cable is unplugged; 0: never
	Transport string        // udp, tcp, or both
	Hosts     int
	Every     time.Duration
	Messages  int
	Size      int
	Reader    string // late or eager
	Until     time.Duration
	Seeds     [2]uint64
}

// The bounds of what can be asked: a lesson beyond them would take long to
// compute and show nothing more.
const (
	maxDelay    = 10 * time.Second
	maxEvery    = time.Minute
	maxUntil    = 2 * time.Hour
	maxMessages = 5000
	maxMembers  = 200 // of a virtual LAN
	maxReal     = 500 // of this machine
	maxSize     = 1 << 20
	maxSeeds    = 100
	minMTU      = 576
	maxMTU      = 9000
	maxQueue    = 10_000
	maxRate     = 10_000_000_000
)

// AllSettings are the settings that there are, in the order of their canonical
// form.
var AllSettings = []Setting{
	{"seed", "Same seed, same bytes: 7.", func(v *Values, s string) error {
		n, err := strconv.ParseUint(s, 10, 64)
		v.Seed = n
		return orWant(err, "a whole number, as in 7")
	}, func(v *Values) string { return strconv.FormatUint(v.Seed, 10) }},
	{"seeds", "Runs with many seeds: 1..30.", func(v *Values, s string) error {
		from, to, ok := strings.Cut(s, "..")
		a, err1 := strconv.ParseUint(from, 10, 32)
		b, err2 := strconv.ParseUint(to, 10, 32)
		if !ok || err1 != nil || err2 != nil || b < a || b-a >= maxSeeds {
			return fmt.Errorf("want FIRST..LAST, at most %d of them, as in 1..30", maxSeeds)
		}
		v.Seeds = [2]uint64{a, b}
		return nil
	}, func(v *Values) string { return fmt.Sprintf("%d..%d", v.Seeds[0], v.Seeds[1]) }},
	{"transport", "udp, tcp or both.", oneOf(func(v *Values) *string { return &v.Transport }, "both", "udp", "tcp"),
		func(v *Values) string { return v.Transport }},
	{"hosts", "Members on the LAN: 5.", number(func(v *Values) *int { return &v.Hosts }, 2, maxReal),
		func(v *Values) string { return strconv.Itoa(v.Hosts) }},
	{"messages", "How many messages: 24.", number(func(v *Values) *int { return &v.Messages }, 1, maxMessages),
		func(v *Values) string { return strconv.Itoa(v.Messages) }},
	{"every", "Time between two messages: 20ms.", span(func(v *Values) *time.Duration { return &v.Every }, maxEvery),
		func(v *Values) string { return v.Every.String() }},
	{"size", "Bytes of a message: 64.", number(func(v *Values) *int { return &v.Size }, 1, maxSize),
		func(v *Values) string { return strconv.Itoa(v.Size) }},
	{"reader", "late or eager: when the receiver reads.", oneOf(func(v *Values) *string { return &v.Reader }, "late", "eager"),
		func(v *Values) string { return v.Reader }},
	{"delay", "Cable length as time: 20ms, or 20ms+-5ms.", parseDelay, func(v *Values) string {
		if v.Way.Jitter > 0 {
			return v.Way.Delay.String() + "+-" + v.Way.Jitter.String()
		}
		return v.Way.Delay.String()
	}},
	{"loss", "Frames lost, each direction: 2%; A>B:2% for one.", parseLoss, func(v *Values) string {
		if v.From != "" {
			return v.From + ">" + v.To + ":" + percent(v.Way.Loss)
		}
		return percent(v.Way.Loss)
	}},
	{"dup", "Frames doubled: 5%.", share(func(v *Values) *float64 { return &v.Way.Dup }),
		func(v *Values) string { return percent(v.Way.Dup) }},
	{"reorder", "Frames held back, and for how long: 5%:50ms.", parseReorder, func(v *Values) string {
		if v.Way.HoldBack > 0 {
			return percent(v.Way.Reorder) + ":" + v.Way.HoldBack.String()
		}
		return percent(v.Way.Reorder)
	}},
	{"corrupt", "Frames with one bit flipped: 20%.", share(func(v *Values) *float64 { return &v.Way.Corrupt }),
		func(v *Values) string { return percent(v.Way.Corrupt) }},
	{"rate", "Bits per second: 2mbit; 0 is unlimited.", parseRate, func(v *Values) string { return bits(v.Port.Rate) }},
	{"queue", "Frames the cable's queue holds when there is a rate: 25.", number(func(v *Values) *int { return &v.Port.Queue }, 0, maxQueue),
		func(v *Values) string { return strconv.Itoa(v.Port.Queue) }},
	{"mtu", "Largest IP packet in bytes: 1500.", number(func(v *Values) *int { return &v.MTU }, minMTU, maxMTU),
		func(v *Values) string { return strconv.Itoa(v.MTU) }},
	{"drop", "Named victims: A>B:data#5, B>A:ack#2, *:syn#1.", parseDrops, func(v *Values) string {
		var all []string
		for _, r := range v.Drops {
			all = append(all, r.String())
		}
		return strings.Join(all, ",")
	}},
	{"cut", "Unplug the cable at this time: 2s.", span(func(v *Values) *time.Duration { return &v.Cut }, maxUntil),
		func(v *Values) string { return v.Cut.String() }},
	{"until", "Stop the virtual clock here: 10s.", span(func(v *Values) *time.Duration { return &v.Until }, maxUntil),
		func(v *Values) string { return v.Until.String() }},
}

// A SettingError says which setting is wrong, and why.
type SettingError struct{ Field, Value, Why string }

func (e *SettingError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("--%s: %s", e.Field, e.Why)
	}
	return fmt.Sprintf("--%s=%s: %s", e.Field, e.Value, e.Why)
}

// settingNamed finds a setting.
func settingNamed(name string) (Setting, bool) {
	i := slices.IndexFunc(AllSettings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return AllSettings[i], true
}

// read understands settings: the lesson's own, and on top of them those given,
// which have to mean something to it.
func (l Lesson) read(given Settings) (*Values, error) {
	v := &Values{Transport: "both", MTU: 1500, Seed: defaultSeed}
	for _, s := range AllSettings {
		text, ok := l.Defaults[s.Name]
		if ok {
			if err := s.parse(v, text); err != nil {
				return nil, &SettingError{s.Name, text, err.Error()}
			}
		}
		text, ok = given[s.Name]
		if !ok {
			continue
		}
		if !l.uses(s.Name) {
			return nil, &SettingError{s.Name, text, fmt.Sprintf("means nothing in lesson %s, which has: --%s", l.Name, strings.Join(l.settings(), ", --"))}
		}
		if err := s.parse(v, strings.TrimSpace(text)); err != nil {
			return nil, &SettingError{s.Name, text, err.Error()}
		}
	}
	for name, text := range given {
		if _, ok := settingNamed(name); !ok {
			return nil, &SettingError{name, text, "there is no such setting"}
		}
	}
	if v.Hosts > maxMembers && l.Name != threadsName {
		return nil, &SettingError{"hosts", strconv.Itoa(v.Hosts), fmt.Sprintf("a virtual LAN has room for %d members", maxMembers)}
	}
	if err := v.possible(); err != nil {
		return nil, err
	}
	return v, nil
}

// possible finds settings that exclude each other.
func (v *Values) possible() error {
	if v.Way.Jitter > v.Way.Delay {
		return &SettingError{"delay", "", fmt.Sprintf("a jitter of %v is more than the delay of %v: frames would arrive before they are sent", v.Way.Jitter, v.Way.Delay)}
	}
	if v.Way.Loss == 1 && v.From == "" {
		return &SettingError{"loss", "100%", "nothing would ever arrive, not even a question; --cut=TIME unplugs the cable in mid-run"}
	}
	return nil
}

// uses tells whether a setting means something to a lesson.
func (l Lesson) uses(name string) bool {
	return slices.Contains(l.Uses, name) || name == "seed"
}

// settings are the names of those that mean something, in canonical order.
func (l Lesson) settings() (names []string) {
	for _, s := range AllSettings {
		if l.uses(s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// canonical writes the settings that a lesson uses, always in the same form.
func (l Lesson) canonical(v *Values) string {
	var all []string
	for _, s := range AllSettings {
		if l.uses(s.Name) && s.Name != "seed" {
			if text := s.format(v); text != "" {
				all = append(all, s.Name+"="+text)
			}
		}
	}
	return strings.Join(all, " ")
}

// asDefined tells whether a run is the one that the proof is about: nothing has
// been changed but what is free.
func (l Lesson) asDefined(v *Values) bool {
	d, err := l.read(nil)
	if err != nil {
		return false
	}
	for _, s := range AllSettings {
		if l.uses(s.Name) && !slices.Contains(l.Free, s.Name) && s.format(v) != s.format(d) {
			return false
		}
	}
	return true
}

// config is the LAN that the settings ask for.
func (v *Values) config() wire.Config {
	c := wire.Config{Seed: v.Seed, Way: v.Way, Port: v.Port, MTU: v.MTU, Drops: v.Drops, Met: true}
	if v.From != "" {
		c.Way.Loss = 0
	}
	if v.Way.Loss > classicAbove {
		c.TCP = wire.Classic
	}
	return c
}

func orWant(err error, want string) error {
	if err != nil {
		return fmt.Errorf("want %s", want)
	}
	return nil
}

func number(of func(*Values) *int, least, most int) func(*Values, string) error {
	return func(v *Values, s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		*of(v) = n
		return nil
	}
}

func span(of func(*Values) *time.Duration, most time.Duration) func(*Values, string) error {
	return func(v *Values, s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > most {
			return fmt.Errorf("want a time from 0 to %v, as in 20ms or 2s", most)
		}
		*of(v) = d
		return nil
	}
}

func oneOf(of func(*Values) *string, words ...string) func(*Values, string) error {
	return func(v *Values, s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("want %s", strings.Join(words, " or "))
		}
		*of(v) = s
		return nil
	}
}

func share(of func(*Values) *float64) func(*Values, string) error {
	return func(v *Values, s string) (err error) {
		*of(v), err = parseShare(s)
		return err
	}
}

// parseShare reads "2%", or "0.02".
func parseShare(s string) (float64, error) {
	digits, percents := strings.CutSuffix(s, "%")
	x, err := strconv.ParseFloat(digits, 64)
	if percents {
		x /= 100
	}
	if err != nil || math.IsNaN(x) || x < 0 || x > 1 {
		return 0, fmt.Errorf("want a share from 0%% to 100%%, as in 2%%")
	}
	return x, nil
}

func percent(x float64) string {
	return strconv.FormatFloat(math.Round(x*1e6)/1e4, 'f', -1, 64) + "%"
}

func parseDelay(v *Values, s string) error {
	delay, jitter, jittery := strings.Cut(s, "+-")
	v.Way.Jitter = 0
	d, err := time.ParseDuration(delay)
	if err == nil && jittery {
		v.Way.Jitter, err = time.ParseDuration(jitter)
	}
	if err != nil || d < 0 || d > maxDelay || v.Way.Jitter < 0 {
		return fmt.Errorf("want a time from 0 to %v, as in 20ms or 20ms+-5ms", maxDelay)
	}
	v.Way.Delay = d
	return nil
}

func parseLoss(v *Values, s string) (err error) {
	v.From, v.To = "", ""
	if where, rest, ok := strings.Cut(s, ":"); ok {
		s = rest
		if v.From, v.To, ok = strings.Cut(where, ">"); !ok || v.From == "" || v.To == "" {
			return fmt.Errorf("want FROM>TO:SHARE, as in A>B:2%%")
		}
	}
	v.Way.Loss, err = parseShare(s)
	return err
}

func parseReorder(v *Values, s string) (err error) {
	part, hold, held := strings.Cut(s, ":")
	v.Way.HoldBack = 0
	if held {
		if v.Way.HoldBack, err = time.ParseDuration(hold); err != nil || v.Way.HoldBack <= 0 || v.Way.HoldBack > maxDelay {
			return fmt.Errorf("want SHARE:TIME, as in 5%%:50ms")
		}
	}
	v.Way.Reorder, err = parseShare(part)
	return err
}

// units of rates, the longest names first.
var units = []struct {
	name string
	bits float64
}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}, {"", 1}}

func parseRate(v *Values, s string) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(strings.ToLower(s), u.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(digits, 64)
		if r := int64(x * u.bits); err == nil && x >= 0 && x*u.bits <= maxRate && (r == 0 || r >= 8000) {
			v.Port.Rate = r
			return nil
		}
		break
	}
	return fmt.Errorf("want bits a second from 8kbit to 10gbit, as in 2mbit, or 0 for unlimited")
}

func bits(rate int64) string {
	for _, u := range units[:3] {
		if x := float64(rate) / u.bits; x >= 1 {
			return strconv.FormatFloat(x, 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatInt(rate, 10)
}

func parseDrops(v *Values, s string) error {
	v.Drops = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		r, err := wire.ParseRule(part)
		if err != nil {
			return err
		}
		v.Drops = append(v.Drops, r)
	}
	return nil
}
