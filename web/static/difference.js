// Where two pictures differ, laid over a picture: the server draws it.

// lay puts the overlay at url over a picture, and says what it shows. It throws
// what the server says if there is none.
export async function lay(img, url) {
  const response = await fetch(`${url}.json`, { headers: { Accept: "application/json" } });
  const told = await response.json();
  if (!response.ok) throw new Error(told.error ?? `the server answers ${response.status}`);
  img.src = url;
  await img.decode();
  return told;
}

// words says what an overlay shows.
export function words(told) {
  const { instrument, value, preparation, synthetic } = told.reading;
  const digits = (x) => Number(x.toPrecision(3));
  if (told.largest === 0) return `No difference: ${instrument} reads 0.`;
  const rule = preparation.includes(", then: ") ? `, ${preparation.split(" (")[0]}` : "";
  return `${instrument} ${digits(value)}${synthetic ? " (synthetic)" : ""}${rule}; light yellow is ${digits(told.brightest)}, clear is 0.`;
}
