# SPDX-License-Identifier: GPL-3.0-or-later
# qs_translations(<target>): compiles resources/i18n/*.ts and puts them into the target as :/i18n/*.qm. After texts with
# a number have changed:
#   lupdate -pluralonly -locations none -no-obsolete -I . app widgets -ts resources/i18n/quantoscope_en.ts
find_program(QS_LRELEASE NAMES lrelease lrelease6 HINTS ${Qt6_DIR}/../../../qt6/bin /usr/lib/qt6/bin REQUIRED
             DOC "lrelease of Qt 6 (Debian: qt6-l10n-tools)")

function(qs_translations target)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/resources/i18n/*.ts)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/i18n)
  set(compiled)
  set(entries)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_custom_command(OUTPUT ${folder}/${name}.qm DEPENDS ${source} VERBATIM
                       COMMAND ${QS_LRELEASE} -silent ${source} -qm ${folder}/${name}.qm)
    list(APPEND compiled ${folder}/${name}.qm)
    string(APPEND entries "    <file>${name}.qm</file>\n")
  endforeach()
  file(CONFIGURE OUTPUT ${folder}/translations.qrc
       CONTENT "<RCC>\n  <qresource prefix=\"/i18n\">\n${entries}  </qresource>\n</RCC>\n")
  add_custom_command(OUTPUT ${folder}/qrc_translations.cpp DEPENDS ${compiled} ${folder}/translations.qrc VERBATIM
                     COMMAND Qt6::rcc --name translations -o ${folder}/qrc_translations.cpp
                             ${folder}/translations.qrc)
  target_sources(${target} PRIVATE ${folder}/qrc_translations.cpp)
  set_source_files_properties(${folder}/qrc_translations.cpp PROPERTIES SKIP_AUTOGEN ON SKIP_PRECOMPILE_HEADERS ON)
endfunction()
