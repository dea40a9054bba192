// Package city turns an OpenStreetMap extract into everything Rasad needs to know about a
// city, and reads it back: a basemap, a road graph, sites, places. [Build] runs at build time,
// reads files and writes files; nothing here listens or sends. [Open] is the other
// end, for the server.
//
// Its one law: what the map cannot vouch for, it says. Ground outside the extract lies in the
// mask, derived shelters are marked derived, and a gate refuses a city that would mislead
// rather than write it.
//
// # The files of a city
//
//	city.json       manifest: name, bbox, centre, time zone, attribution, source, counts, sha256 of each file
//	basemap.pmtiles vector tiles z0-14 (PMTiles v3, clustered, gzip), layers below
//	sites.geojson   sites and shelters, ready for PUT /api/v1/{sites,shelters}/{id}
//	places.json     places and streets by name, for search
//	roads.bin       the road graph (package roads)
//	demand.bin      where people are, in squares of about 250 m, and the zones they live in (package coverage)
//	mask.geojson    the ground that is NOT covered, as one polygon round the whole world
//	report.txt      what was counted, skipped, repaired and judged, for a person; report.json the same for a program
//
// # Tile layers and properties
//
// Every name stands as name (local), name_fa, name_zh, name_en; a language that is not known is
// absent. Flags are the integer 1 or absent. Geometry is closed, wound as the MVT specification
// 2.1 wants it, with a buffer of 64/4096; points lie in exactly one tile. Absent means unknown.
//
//	layer     geometry  zooms  properties
//	sea       polygon   0-14   (none)
//	land      polygon   7-14   kind: urban industrial wood park green farmland wetland sand rock ice hospital education
//	                           airport runway military; name*
//	water     polygon   4-14   kind: water river reservoir basin pool; name* from z12
//	waterway  line      9-14   kind: river canal stream drain ditch; name*; tunnel intermittent
//	building  polygon   13-14  levels (int, z14)
//	boundary  line      3-14   level (int: OSM admin_level 2-11, 2 is a country); maritime
//	coast     line      4-14   (none)
//	rail      line      9-14   kind: rail light_rail subway tram narrow_gauge monorail funicular; service bridge tunnel
//	road      line      5-14   kind: motorway trunk primary secondary tertiary unclassified residential living_street
//	                           pedestrian service track cycleway footway path steps bridleway construction ferry
//	                           rank (int, 1 motorway .. 9 path); link; bridge tunnel from z12;
//	                           ref from z8; name* from z12; from z13 oneway (1 along the line, -1 against it),
//	                           private, layer (int)
//	place     point     2-14   kind: country state city town village suburb quarter neighbourhood hamlet locality
//	                           island square water park; rank (int, 1 is the most important); pop (int); name*
//	poi       point     10-14  kind: a site type as below; id: the key in sites.geojson; name* (derived shelters are not here)
//	mask      polygon   0-14   (none): ground that is not covered. Outside the bounds of the tile set there are no
//	                           tiles at all: draw mask.geojson as a source of its own above the ground to cover that too
//
// Roads begin at: motorway 5, trunk 6, primary 8, secondary 9, motorway and trunk links 10, tertiary 11, primary and
// secondary links 11, unclassified residential living_street tertiary links ferry 12, pedestrian service track 13, the
// rest 14. In each tile lines of equal properties are one feature, joined end to end, so that labels have room.
// Features of place are sorted by rank.
//
// # Sites and shelters
//
// sites.geojson is a FeatureCollection of points. `id` is the key (URL-safe): osm-n123, osm-w123, osm-r123 for the node,
// way or relation, osm-…-shelter for a shelter derived from it, the row's own id for an overlay. Properties:
//
//	kind      "site" or "shelter": the kind of the feature in the world
//	type      what it is: fire_station police hospital clinic ambulance_station helipad hydrant water_tank suction_point
//	          fire_water_pond siren school kindergarten university nursing_home prison townhall community_centre fuel
//	          power_plant water_works bus_station rail_station airport; for a shelter assembly_point evacuation_centre
//	          refugee_site school community_centre, or any type an overlay brings
//	name name_fa name_zh name_en, address, phone, operator, beds, capacity where they are known
//	source    "osm" or "overlay" (an OSM site amended by an overlay says "osm" and amended: true)
//	status    of a shelter: "unconfirmed"; nobody in OSM vouches that a door is open
//	derived   true: not mapped as a shelter, only a building that often serves as one; derived_from its site
//	merged    keys of the elements of the same campus that this site stands for; also_named their names
//	hydrant diameter flow of a hydrant, emergency_room (true or false) of a hospital, where they are known
//	original  {lon, lat, datum}: the place as an overlay gave it, when it was converted
//
// # Roads
//
// roads.bin is what an emergency vehicle may drive on, cut at junctions, barriers and the nodes that turn restrictions hang
// on. Nothing is merged. The report has a line for each thing that follows.
//
//   - Roads are motorway to service and busway, tracks of grade 1 and 2 (worse ones where a tag lets vehicles in), and
//     pedestrian streets that let somebody drive. Footways, cycleways and paths are roads only with emergency=yes or designated; steps,
//     ferries and what is not built yet never.
//   - Access is read from the most specific tag: emergency, motorcar, motor_vehicle, vehicle, access. "no" is no road unless buses may pass
//     or it is an emergency access; emergency=no never is; private, agricultural, forestry and the like are marked
//     Private. Conditions ("access:conditional") are counted, not read.
//   - One-ways: oneway=yes, -1, and by implication motorways, their ramps and roundabouts. oneway:emergency=no, a bus lane against the
//     one-way and oneway=alternating open both directions. Against any other one-way there is an edge marked Against, for profiles that
//     allow it, but none against motorways, trunk roads and roundabouts. Of oneway=reversible only the direction of its
//     line is promised.
//   - Barriers on a node: what opens (gate, lift_gate, chain, a rising bollard, or anything with emergency=yes) marks the edges that run into
//     it as Gate; what does not (bollard, block, height_restrictor, an unknown one) cuts the road; kerbs, cattle grids and toll booths are nothing. On
//     a junction of three roads or more and at the end of a road a barrier bars nothing.
//   - Turn restrictions, of a node or over up to four ways, in any order: no_… forbids its way, only_… all others, U-turns too. restriction:motorcar
//     counts, restriction:hgv and the like do not, nor what excepts emergency or motorcar. Where a way runs on through the via,
//     the turn that the restriction names tells which side is meant, or the restriction counts as broken.
//   - Speeds are free-flow: 85 % of a limit (number, mph, knots, "walk", by direction; or a law such as "US:urban"), else by class, in
//     or out of a built-up area: a square of 250 m whose middle is mapped as residential, commercial or retail, or that with its eight
//     neighbours has 120 houses or 18 junctions a km². Loose and bad surfaces, alleys, driveways and parking aisles slow. What turns cost is not
//     in them.
//   - The largest part is the roads from which every other can be reached and back, without going against a one-way; the rest are
//     islands and one-way traps. A graph of which less than half hangs together is refused, as is one with more than 30 % of
//     its turn restrictions broken.
//
// # Places
//
// places.json is {"format":1,"places":[…]}, most important first: kind (one of the layer place, or "street"), name,
// name_fa, name_zh, name_en, alt (other names), lon, lat, rank (1 is the most important, streets from 10), pop. All ways of one
// name that lie together are one street.
//
// # Shelters
//
// What is a shelter is a rule with reasons. emergency=assembly_point, evacuation_center=yes (or emergency=
// evacuation_centre) and amenity=refugee_site are shelters. Schools and community centres are sites, and each has a
// derived, unconfirmed shelter beside it, capacity unknown. amenity=shelter is NEVER one: it is a roof against rain (bus
// stops, picnic huts), and nobody must be sent there in an earthquake. social_facility=shelter is neither: it is a home for the
// homeless or a refuge from violence, and its place is not ours to show. Air-raid bunkers in OSM are mostly monuments;
// real ones come by overlay.
package city
