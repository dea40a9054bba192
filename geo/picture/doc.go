// Package picture draws a map without a browser: the ground of a city and what is
// marked on it, as one SVG that every browser shows as an image.
//
// Its law: the same input gives the same bytes, and nothing is in them but what was
// handed in. A picture asks nobody, names no other file, holds no script and no style
// sheet (colours are presentation attributes), so a strict policy shows it, and it is
// small: [GroundOf] leaves out what a reader would not miss until the ground fits.
//
// The ground and the marks are made apart, because the ground of an area stays while
// the marks change.
package picture
