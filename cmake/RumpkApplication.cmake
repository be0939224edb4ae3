# SPDX-License-Identifier: Apache-2.0
#
# Membrane, applications and their images.
#
#   rumpk_application(name DIR folder [part...])
#
# builds every *.c and *.cpp in DIR with DIR/cell.toml into <folder>/<name>.elf and the
# bootable <folder>/<name>.img, whose kernel has these parts. <folder>/trace/<name>.img
# is the same with a kernel that can record a trace besides.

add_library(libc INTERFACE)
target_link_libraries(libc INTERFACE "${RUMPK_SYSROOT_DIR}/lib/libc.a" ${RUMPK_COMPILER_RUNTIME_${RUMPK_ARCH}})

rumpk_string(cell_string cell_options)
add_subdirectory(membrane)

set(RUMPK_PYTHON /usr/bin/python3 -IS)
set(RUMPK_PACKER "${PROJECT_SOURCE_DIR}/tools/cli/image.py")
set(RUMPK_PARTS_OF "${PROJECT_SOURCE_DIR}/tools/cli/parts.py")
set(RUMPK_CELL_SCRIPT "${PROJECT_SOURCE_DIR}/membrane/cell.ld")
add_custom_target(images)

# Headers that all applications share are compiled for this target, which is never linked.
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/applications.cpp" CONTENT "")
add_library(applications OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/applications.cpp")
target_link_libraries(applications PRIVATE cell_options nexus)
rumpk_precompiled(applications)

function(rumpk_application NAME DIR APP_OUTPUT)
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
    if(NOT SOURCES MATCHES "[.]c(;|$)") # CMake would want C headers, too
        rumpk_precompiled(${TARGET} applications)
    endif()
    # Linux's triple only makes clang call lld itself; for a bare x86-64 it would call gcc.
    # The linker shortens calls. By gp it would only where __global_pointer$ is defined, and it is not.
    target_link_options(${TARGET} PRIVATE --target=${RUMPK_ARCH}-unknown-linux-gnu -nostdlib -static -fuse-ld=lld
        -Wl,-T,${RUMPK_CELL_SCRIPT} -Wl,--gc-sections -Wl,-O2 -Wl,--build-id=none -Wl,-z,max-page-size=4096
        ${RUMPK_CELL_LINK_FLAGS})
    rumpk_image("${APP_OUTPUT}/${NAME}.img" ${TARGET} "${DIR}/cell.toml" ${ARGN})
    rumpk_image("${APP_OUTPUT}/trace/${NAME}.img" ${TARGET} "${DIR}/cell.toml" ${ARGN} trace)
    add_custom_target(image-${NAME}-${KEY} DEPENDS "${APP_OUTPUT}/${NAME}.img")
    add_dependencies(images image-${NAME}-${KEY})
    add_custom_target(trace-image-${NAME}-${KEY} DEPENDS "${APP_OUTPUT}/trace/${NAME}.img")
endfunction()

# Kernel and cell in one file; beside it links to their ELFs with symbols, <name>.kernel.elf and <name>.elf.
function(rumpk_image IMAGE CELL MANIFEST)
    rumpk_kernel_name(KERNEL ${ARGN})
    set(FILE "${CMAKE_BINARY_DIR}/${KERNEL}${RUMPK_KERNEL_SUFFIX}")
    add_custom_command(OUTPUT "${IMAGE}"
        COMMAND ${RUMPK_PYTHON} "${RUMPK_PACKER}" --kind ${RUMPK_IMAGE_KIND} --arch ${RUMPK_ARCH} ${RUMPK_PACKER_FLAGS}
            --kernel "${FILE}" --symbols "$<TARGET_FILE:${KERNEL}>" --cell "$<TARGET_FILE:${CELL}>"
            --manifest "${MANIFEST}" --output "${IMAGE}"
        DEPENDS ${KERNEL} "${FILE}" ${CELL} "${MANIFEST}" "${RUMPK_PACKER}"
        VERBATIM)
endfunction()

# What an image's kernel has follows from its cell.toml: a line for each, asked for once.
function(rumpk_parts_of OUT)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
    execute_process(COMMAND ${RUMPK_PYTHON} "${RUMPK_PARTS_OF}" ${ARGN} OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
    string(STRIP "${lines}" lines)
    string(REPLACE "\n" ";" lines "${lines}")
    set(${OUT} "${lines}" PARENT_SCOPE)
endfunction()

file(GLOB MANIFESTS CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/*/cell.toml" "${PROJECT_SOURCE_DIR}/tests/apps/*/cell.toml")
foreach(folder ${RUMPK_APPLICATIONS})
    if(EXISTS "${folder}/cell.toml")
        list(APPEND MANIFESTS "${folder}/cell.toml")
    endif()
endforeach()
rumpk_parts_of(PARTS ${MANIFESTS})
foreach(manifest parts IN ZIP_LISTS MANIFESTS PARTS)
    cmake_path(GET manifest PARENT_PATH folder)
    cmake_path(GET folder FILENAME name)
    set(output "${CMAKE_BINARY_DIR}/images")
    if(folder IN_LIST RUMPK_APPLICATIONS)
        string(MD5 key "${folder}")
        string(SUBSTRING "${key}" 0 8 key)
        set(output "${CMAKE_BINARY_DIR}/outside/${key}")
    endif()
    string(REPLACE "-" ";" parts "${parts}")
    if(NOT TARGET hal_user)
        list(REMOVE_ITEM parts cells) # the packer says that there is no such kernel
    endif()
    rumpk_application(${name} "${folder}" "${output}" ${parts})
endforeach()
