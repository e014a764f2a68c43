# cmake -DOUTPUT=file.cpp -DFILES=a.html,b.js -P embed_page.cmake
# Writes the parts of the page as one C++ table of {path, type, etag, text}; index.html is "/", the rest "/page/NAME".
string(REPLACE "," ";" FILES "${FILES}")
set(type.html "text/html; charset=utf-8")
set(type.css "text/css; charset=utf-8")
set(type.js "text/javascript; charset=utf-8")
set(type.svg "image/svg+xml")
set(texts "")
set(rows "")
set(number 0)
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  get_filename_component(extension "${file}" LAST_EXT)
  if(NOT type${extension})
    message(FATAL_ERROR "${file}: what Content-Type is that?")
  endif()
  set(path "/page/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  file(READ "${file}" text)
  file(SHA256 "${file}" hash)
  string(SUBSTRING "${hash}" 0 16 hash)
  string(APPEND texts "PAGE_TEXT const char text_${number}[] = R\"telltale(${text})telltale\";\n")
  string(APPEND rows "    {\"${path}\", \"${type${extension}}\", \"\\\"${hash}\\\"\",\n"
    "     {static_cast<const char*>(text_${number}), sizeof text_${number} - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "#include \"proxy/page_files.h\"

namespace telltale::proxy {

namespace {

// One section of their own: among other texts, pages that the program needs at once would bring these into memory.
#define PAGE_TEXT [[gnu::section(\".page_texts\")]]
${texts}
constexpr PageFile files[] = {
${rows}};

}  // namespace

std::span<const PageFile> page_files() noexcept {
    return files;
}

}  // namespace telltale::proxy
")
