package text

import (
	"crypto/sha256"
	"strings"
)

// KeyWords returns the words by which people compare a public key, read out
// across a room or over a telephone: eight of a list of 256, one for each of the
// first eight bytes of
//
//	SHA-256("parley words 1\n" + key)
//
// Sixty-four bits are enough because nobody can prepare: who wants a key with the
// same words must make about 2^64 of them for each key to pass for.
func KeyWords(key [32]byte) string {
	sum := sha256.Sum256(append([]byte("parley words 1\n"), key[:]...))
	var chosen [8]string
	for i := range chosen {
		chosen[i] = wordList[sum[i]]
	}
	return strings.Join(chosen[:], " ")
}

// wordList are things that most people have a picture of. Any two differ within
// their first three letters, and by three slips of the pen or more, so what
// is half heard or half read is not taken for another.
var wordList = strings.Fields(`
acorn album almond amber anchor apple arrow aspen atlas attic autumn avocado badge
bamboo banjo barrel basket beach beetle bishop blossom bonfire bread brush bubble
butter cabin cactus camel candle carpet cedar cereal cherry chimney circus clover
cobra coffee copper cotton cousin coyote cushion cyclone daisy dancer delta dentist
doctor domino donkey dragon dune eagle echo eclipse elbow emerald engine equator
estuary fabric falcon farmer fern fiddle finger fjord fleece flute forest fossil
fridge fungus galaxy garden gazelle geyser giant gnome goblet gondola grape guitar
gypsum hamster harbor helmet hexagon hickory hobby horizon hotel hyena iceberg igloo
iguana indigo insect island ivory jaguar jasmine jelly jersey jigsaw journal jungle
kayak kernel ketchup kiosk koala ladder lagoon lantern lasso legend lemon leopard
lettuce lilac lizard lotus lynx lyric macaw magnet mailbox mammoth marble meadow
meteor mirror mitten mosaic muffin museum napkin nebula nectar nickel nomad noodle
north nugget nutmeg nylon oasis obelisk oboe ocean octopus olive omelet onion opera
orange orbit ostrich oval oxygen panda paper peacock pelican pencil petal pigeon
pillow pirate pixel planet pocket poppy potato prism puzzle quartz queen quilt rabbit
raccoon radio raisin relish rhubarb rhythm ribbon river rubber safari sailor scarf
scooter seagull sequoia sherbet sister sketch skylark slipper smoke snail soccer
spider sponge statue storm sugar sunset swallow syrup tadpole taxi teapot temple
tennis thunder tidal toast topaz tower tractor trumpet tugboat tulip tunnel turtle
twelve typist ukulele unicorn utensil vacuum valley vanilla vessel village vinegar
violin volcano voyage vulture waffle walnut whale wheel window wolf wonder yacht
yogurt zephyr zigzag
`)
