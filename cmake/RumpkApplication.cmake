# SPDX-License-Identifier: Apache-2.0
#
# Membrane, applications and their images.
#
#   rumpk_application(name DIR folder [part...])
#
# builds every *.c and *.cpp in DIR with DIR/cell.toml into <folder>/<name>.elf and the
# bootable <folder>/<name>.img, whose kernel has these parts. <folder>/trace/<name>.img
# is the same with a kernel that can record a trace besides.
#
#   rumpk_several(name manifest folder [part...])
#
# does so with the cells that a rumpk.toml lists, into <folder>/<name>.<window's letter>.elf.

add_library(libc INTERFACE)
target_link_libraries(libc INTERFACE "${RUMPK_SYSROOT_DIR}/lib/libc.a" ${RUMPK_COMPILER_RUNTIME_${RUMPK_ARCH}})

rumpk_string(cell_string cell_options)
add_subdirectory(membrane)

set(RUMPK_PYTHON /usr/bin/python3 -IS)
set(RUMPK_PACKER "${PROJECT_SOURCE_DIR}/tools/cli/image.py")
set(RUMPK_PARTS_OF "${PROJECT_SOURCE_DIR}/tools/cli/parts.py")
set(RUMPK_CELLS_OF "${PROJECT_SOURCE_DIR}/tools/cli/cells.py")
set(RUMPK_CELL_SCRIPT "${PROJECT_SOURCE_DIR}/membrane/cell.ld")
add_custom_target(images)

# Headers that all applications share are compiled for this target, which is never linked.
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/applications.cpp" CONTENT "")
add_library(applications OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/applications.cpp")
target_link_libraries(applications PRIVATE cell_options nexus)
rumpk_precompiled(applications)

# TARGET: the ELF of DIR's sources, for that window. None where there are no sources.
function(rumpk_program TARGET NAME DIR APP_OUTPUT WINDOW)
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
        -Wl,--defsym=RUMPK_WINDOW=${WINDOW} ${RUMPK_CELL_LINK_FLAGS})
endfunction()

function(rumpk_application NAME DIR APP_OUTPUT)
    string(MD5 KEY "${APP_OUTPUT}/${NAME}")
    string(SUBSTRING "${KEY}" 0 8 KEY)
    set(TARGET "app-${NAME}-${KEY}")
    rumpk_program(${TARGET} ${NAME} "${DIR}" "${APP_OUTPUT}" 0)
    if(TARGET ${TARGET})
        rumpk_images(${NAME}-${KEY} "${APP_OUTPUT}" ${NAME} ${TARGET} "${DIR}/cell.toml" ${ARGN})
    endif()
endfunction()

function(rumpk_several NAME MANIFEST APP_OUTPUT)
    string(MD5 KEY "${APP_OUTPUT}/${NAME}")
    string(SUBSTRING "${KEY}" 0 8 KEY)
    execute_process(COMMAND ${RUMPK_PYTHON} "${RUMPK_CELLS_OF}" "${MANIFEST}" OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[^\n]+" lines "${lines}")
    set(CELLS "")
    foreach(line ${lines})
        string(REPLACE "|" ";" line "${line}")
        list(POP_FRONT line letter window folder)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/cell.toml")
        rumpk_program(app-${NAME}-${letter}-${KEY} ${NAME}.${letter} "${folder}" "${APP_OUTPUT}" ${window})
        list(APPEND CELLS app-${NAME}-${letter}-${KEY})
    endforeach()
    rumpk_images(${NAME}-${KEY} "${APP_OUTPUT}" ${NAME} "${CELLS}" "${MANIFEST}" ${ARGN})
endfunction()

# Both images of these cells, and targets for them.
function(rumpk_images TARGET APP_OUTPUT NAME CELLS MANIFEST)
    rumpk_image("${APP_OUTPUT}/${NAME}.img" "${CELLS}" "${MANIFEST}" ${ARGN})
    rumpk_image("${APP_OUTPUT}/trace/${NAME}.img" "${CELLS}" "${MANIFEST}" ${ARGN} trace)
    add_custom_target(image-${TARGET} DEPENDS "${APP_OUTPUT}/${NAME}.img")
    if(possible)
        add_dependencies(images image-${TARGET})
    endif()
    add_custom_target(trace-image-${TARGET} DEPENDS "${APP_OUTPUT}/trace/${NAME}.img")
endfunction()

# Kernel and cells in one file; beside it links to the kernel's ELF with symbols and to the first cell's,
# <name>.kernel.elf and <name>.elf.
function(rumpk_image IMAGE CELLS MANIFEST)
    rumpk_kernel_name(KERNEL ${ARGN})
    set(FILE "${CMAKE_BINARY_DIR}/${KERNEL}${RUMPK_KERNEL_SUFFIX}")
    set(WORDS "")
    foreach(cell ${CELLS})
        list(APPEND WORDS --cell "$<TARGET_FILE:${cell}>")
    endforeach()
    add_custom_command(OUTPUT "${IMAGE}"
        COMMAND ${RUMPK_PYTHON} "${RUMPK_PACKER}" --kind ${RUMPK_IMAGE_KIND} --arch ${RUMPK_ARCH} ${RUMPK_PACKER_FLAGS}
            --kernel "${FILE}" --symbols "$<TARGET_FILE:${KERNEL}>" ${WORDS}
            --manifest "${MANIFEST}" --output "${IMAGE}"
        DEPENDS ${KERNEL} "${FILE}" ${CELLS} "${MANIFEST}" "${RUMPK_PACKER}"
        DEPFILE "${IMAGE}.d" # which files cells share
        VERBATIM)
endfunction()

# What an image's kernel has follows from its cell.toml, and whether the machine keeps cells apart: a line for each, asked
# for once.
function(rumpk_parts_of OUT)
    set(apart "")
    if(TARGET hal_user)
        set(apart --apart)
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
    execute_process(COMMAND ${RUMPK_PYTHON} "${RUMPK_PARTS_OF}" ${apart} ${ARGN} OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
    string(STRIP "${lines}" lines)
    string(REPLACE "\n" ";" lines "${lines}")
    set(${OUT} "${lines}" PARENT_SCOPE)
endfunction()

file(GLOB MANIFESTS CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/*/cell.toml" "${PROJECT_SOURCE_DIR}/tests/apps/*/cell.toml"
    "${PROJECT_SOURCE_DIR}/apps/*/rumpk.toml" "${PROJECT_SOURCE_DIR}/tests/apps/*/rumpk.toml")
foreach(folder ${RUMPK_APPLICATIONS})
    foreach(file cell.toml rumpk.toml)
        if(EXISTS "${folder}/${file}")
            list(APPEND MANIFESTS "${folder}/${file}")
        endif()
    endforeach()
endforeach()
rumpk_parts_of(PARTS ${MANIFESTS})
# What not every machine has. Whoever asks for an image that needs it is told by the packer that there is no such
# kernel; who asks for all images does not ask for that one.
set(RUMPK_PARTS_OF_MACHINES cells views shares managers)
if(RUMPK_CELLS_SHARE_A_MAP)
    set(RUMPK_TARGETS_OF_MACHINES hal_user hal hal hal)
else()
    set(RUMPK_TARGETS_OF_MACHINES hal_user hal_views hal_views hal_views)
endif()
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
    set(possible ON)
    foreach(part target IN ZIP_LISTS RUMPK_PARTS_OF_MACHINES RUMPK_TARGETS_OF_MACHINES)
        if(part IN_LIST parts AND NOT TARGET ${target})
            list(REMOVE_ITEM parts ${part})
            set(possible OFF)
        endif()
    endforeach()
    if(manifest MATCHES "/rumpk[.]toml$")
        rumpk_several(${name} "${manifest}" "${output}" ${parts})
        continue()
    endif()
    rumpk_application(${name} "${folder}" "${output}" ${parts})
endforeach()
