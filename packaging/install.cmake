# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where, and the Debian package (`cpack --config build/release/CPackConfig.cmake`).
include(GNUInstallDirs)
set(id io.github.quantoscope.Quantoscope)

install(TARGETS quantoscope-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# Where core/hdf5/h5_import.cpp looks for it, seen from the programs' folder.
install(TARGETS quantoscope-h5reader RUNTIME DESTINATION libexec/quantoscope)
install(DIRECTORY resources/sample/model resources/sample/texts DESTINATION ${CMAKE_INSTALL_DATADIR}/quantoscope/sample)
install(FILES packaging/man/quantoscope-cli.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES packaging/completions/quantoscope-cli.bash RENAME quantoscope-cli
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES README.md CHANGELOG.md LICENSES/Apache-2.0.txt LICENSES/GPL-3.0-or-later.txt
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET quantoscope)
  install(TARGETS quantoscope RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES packaging/man/quantoscope.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES packaging/desktop/${id}.desktop DESTINATION ${CMAKE_INSTALL_DATADIR}/applications)
  install(FILES packaging/desktop/${id}.metainfo.xml DESTINATION ${CMAKE_INSTALL_DATADIR}/metainfo)
  install(FILES packaging/desktop/${id}.mime.xml RENAME ${id}.xml DESTINATION ${CMAKE_INSTALL_DATADIR}/mime/packages)
  install(FILES resources/icons/quantoscope.svg RENAME ${id}.svg
          DESTINATION ${CMAKE_INSTALL_DATADIR}/icons/hicolor/scalable/apps)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME quantoscope)
set(CPACK_PACKAGE_VENDOR Quantoscope)
set(CPACK_PACKAGE_CONTACT "The Quantoscope developers <developers@quantoscope.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
    "Opens a language model's checkpoint, shows where its outliers are, quantizes each layer by the chosen method,
measures what was lost and writes a model that runtimes load. With a window and a command line.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "fonts-noto-core, libopenblas0, libdnnl2, libglpk40")
include(CPack)
