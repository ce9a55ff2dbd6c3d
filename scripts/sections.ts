/**
 * Replaces a part of a Markdown document that is generated: what stands between `<!-- name -->` and `<!-- /name -->`.
 * Throws when the document has no such part.
 */
export function replaceSection(document: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [start, stop] = [document.indexOf(begin), document.indexOf(end)];
  if (start < 0 || stop < start) throw new Error(`The document has no part <!-- ${name} -->.`);
  return `${document.slice(0, start + begin.length)}\n${content}\n\n${document.slice(stop)}`;
}
