// Package reach keeps what is answered in seconds in step with the world: where
// each unit stands on the roads, which roads are closed, whom dispatchable units
// reach in time.
//
// A [Driver] follows the frames in two steps of their own, so that a picture of
// the whole city never holds up the question who is nearest: the roads (places of
// units and closures, some milliseconds after a frame) and the cover (a tenth of a
// second after a closure). Its law:
//
//	an answer that speaks of sequence N knows every closure, every status and every
//	place up to N; only the cover of a unit that merely drives on may be some seconds old
//
// Readers wait for that ([Driver.Roads], [Driver.Cover]) and for nothing else: what
// they get never changes, but for the fleet, which has its own peace. What the driver
// sees over time (shares, voids) it proposes as commands, so that the rules decide
// and the record keeps it.
package reach
