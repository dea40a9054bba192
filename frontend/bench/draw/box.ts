/** The city that the fleet drives in, degrees in 1e-7: Wilmington, as `make` builds it. */
export const box = { west: -757_000_000, south: 396_700_000, east: -754_000_000, north: 398_200_000 } as const;
