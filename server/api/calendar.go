package api

import "time"

// jalali is a day of the Iranian calendar.
type jalali struct{ year, month, day int }

// jalaliOf returns the day of the Iranian calendar on which t lies in its own zone.
//
// The rule is the arithmetic one of the 33-year cycle, as ICU's PersianCalendar has it
// (unicode-org/icu, persncal.cpp), so that it agrees with the browsers: compared with
// ICU 78 it gives every day from 1800 to March 2124, when ICU begins to correct the
// cycle by the astronomical calendar.
func jalaliOf(t time.Time) jalali {
	y, m, d := t.Date()
	// Days since 1 Farvardin 1, which was 19 March 622 of the Julian calendar.
	days := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/86_400) + 492_268
	year := 1 + floorDiv(33*days+3, 12_053)
	day := days - newYear(year)
	month := 1 + day/31
	if day >= 6*31 {
		month = 7 + (day-6*31)/30
	}
	first := 31 * (month - 1)
	if month > 7 {
		first = 6*31 + 30*(month-7)
	}
	return jalali{year, month, 1 + day - first}
}

// newYear is the number of days before 1 Farvardin of a year.
func newYear(year int) int { return 365*(year-1) + floorDiv(8*year+21, 33) }

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
