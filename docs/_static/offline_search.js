// Under file:// a page may not fetch another one, but it may load a script: the words of all pages
// (docs/extensions/offline_search.py), which the search shows around what it has found.
if (window.location.protocol === "file:") {
  const texts = new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("_static/search_texts.js", window.location.href).href;
    script.onload = () => resolve(window.searchTexts);
    script.onerror = reject;
    document.head.appendChild(script);
  });
  const root = new URL(".", window.location.href).href;
  window.fetch = (url) => {
    const page = new URL(url, window.location.href).href.replace(root, "");
    return texts.then((all) => ({ text: () => Promise.resolve(all[decodeURIComponent(page)] || "") }));
  };
}
