# SPDX-License-Identifier: Apache-2.0
#
# Membrane, applications and their images.
#
#   rumpk_application(name DIR [OUTPUT folder])
#
# builds every *.c and *.cpp in DIR with DIR/cell.toml into <folder>/<name>.elf and the
# bootable <folder>/<name>.img; the folder is build/<preset>/images unless said.

add_library(libc INTERFACE)
target_link_libraries(libc INTERFACE "${RUMPK_SYSROOT_DIR}/lib/libc.a" ${RUMPK_COMPILER_RUNTIME_${RUMPK_ARCH}})

rumpk_string(cell_string cell_options)
add_subdirectory(membrane)

set(RUMPK_PYTHON /usr/bin/python3 -IS)
set(RUMPK_PACKER "${PROJECT_SOURCE_DIR}/tools/cli/image.py")
set(RUMPK_CELL_SCRIPT "${PROJECT_SOURCE_DIR}/membrane/cell.ld")
add_custom_target(images)

function(rumpk_application NAME DIR)
    cmake_parse_arguments(PARSE_ARGV 2 APP "" "OUTPUT" "")
    if(NOT APP_OUTPUT)
        set(APP_OUTPUT "${CMAKE_BINARY_DIR}/images")
    endif()
    string(MD5 KEY "${APP_OUTPUT}/${NAME}")
    string(SUBSTRING "${KEY}" 0 8 KEY)
    set(TARGET "app-${NAME}-${KEY}")
    file(GLOB SOURCES CONFIGURE_DEPENDS "${DIR}/*.c" "${DIR}/*.cpp")
    if(NOT SOURCES)
        return() # the command says so when it is asked for; others build all the same
    endif()
    add_executable(${TARGET} EXCLUDE_FROM_ALL ${SOURCES})
    set_target_properties(${TARGET} PROPERTIES OUTPUT_NAME "${NAME}" SUFFIX ".elf" LINKER_LANGUAGE CXX
        RUNTIME_OUTPUT_DIRECTORY "${APP_OUTPUT}" LINK_DEPENDS "${RUMPK_CELL_SCRIPT}")
    target_link_libraries(${TARGET} PRIVATE cell_options -Wl,--start-group nexus cell_string libc -Wl,--end-group)
    # Linux's triple only makes clang call lld itself; for a bare x86-64 it would call gcc.
    # The linker shortens calls. By gp it would only where __global_pointer$ is defined, and it is not.
    target_link_options(${TARGET} PRIVATE --target=${RUMPK_ARCH}-unknown-linux-gnu -nostdlib -static -fuse-ld=lld
        -Wl,-T,${RUMPK_CELL_SCRIPT} -Wl,--gc-sections -Wl,-O2 -Wl,--build-id=none -Wl,-z,max-page-size=4096
        ${RUMPK_CELL_LINK_FLAGS})
    set(IMAGE "${APP_OUTPUT}/${NAME}.img")
    add_custom_command(OUTPUT "${IMAGE}"
        COMMAND ${RUMPK_PYTHON} "${RUMPK_PACKER}" --kind ${RUMPK_IMAGE_KIND} --arch ${RUMPK_ARCH}
            --kernel "${RUMPK_KERNEL_FILE}" --cell "$<TARGET_FILE:${TARGET}>" --manifest "${DIR}/cell.toml"
            --output "${IMAGE}"
        DEPENDS kernel "${RUMPK_KERNEL_FILE}" ${TARGET} "${DIR}/cell.toml" "${RUMPK_PACKER}"
        VERBATIM)
    add_custom_target(image-${NAME}-${KEY} DEPENDS "${IMAGE}")
    add_dependencies(images image-${NAME}-${KEY})
endfunction()

file(GLOB MANIFESTS CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/*/cell.toml" "${PROJECT_SOURCE_DIR}/tests/apps/*/cell.toml")
foreach(manifest ${MANIFESTS})
    cmake_path(GET manifest PARENT_PATH folder)
    cmake_path(GET folder FILENAME name)
    rumpk_application(${name} "${folder}")
endforeach()
foreach(folder ${RUMPK_APPLICATIONS})
    if(EXISTS "${folder}/cell.toml")
        cmake_path(GET folder FILENAME name)
        string(MD5 key "${folder}")
        string(SUBSTRING "${key}" 0 8 key)
        rumpk_application(${name} "${folder}" OUTPUT "${CMAKE_BINARY_DIR}/outside/${key}")
    endif()
endforeach()
