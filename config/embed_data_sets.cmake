# cmake -DOUTPUT=file.cpp -DFILES=a.yaml,b.yaml -P embed_data_sets.cmake
# Writes the data sets as one C++ table of {name, text}; the name of a set is the name of its file.
string(REPLACE "," ";" FILES "${FILES}")
set(rows "")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" text)
  string(APPEND rows "    {\"${name}\", R\"telltale(${text})telltale\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"config/data_sets.h\"

namespace telltale::config {

const std::vector<DataSet>& built_in_data_sets() {
    static const std::vector<DataSet> sets = {
${rows}    };
    return sets;
}

}  // namespace telltale::config
")
