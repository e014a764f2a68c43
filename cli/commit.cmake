# Run at every build: writes OUTPUT, a header with the commit, and only when it changed, so nothing is rebuilt for nothing.
if(NOT COMMIT)
  execute_process(
    COMMAND git describe --always --dirty --abbrev=12 --exclude=*
    WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT COMMIT MATCHES "^[A-Za-z0-9._-]+$")
  set(COMMIT unknown)
endif()
set(header "#pragma once\n\nnamespace telltale::cli::generated {\ninline constexpr const char* commit = \"${COMMIT}\";\n}\n")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT header STREQUAL "${before}")
  file(WRITE ${OUTPUT} "${header}")
endif()
