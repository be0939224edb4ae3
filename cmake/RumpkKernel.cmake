# SPDX-License-Identifier: Apache-2.0
#
# The kernels of one machine: third-party parts, hal, core, and a link for each choice of core/parts.h.

rumpk_libfdt(kernel_options)
rumpk_chacha(kernel_options)

# memcpy and its family for a kernel that has no C library under it. A process has its host's.
add_library(kstring INTERFACE)
if(RUMPK_IMAGE_KIND STREQUAL "raw")
    rumpk_string(kernel_string kernel_options)
    target_link_libraries(kstring INTERFACE kernel_string)
endif()

add_subdirectory(core)
add_subdirectory(hal)

# A kernel's target and, with .elf behind it, its file: `kernel` has all parts, others name theirs. tools/cli/parts.py
# knows these names, too.
function(rumpk_kernel_name OUT)
    set(parts ${RUMPK_PARTS})
    foreach(part ${RUMPK_PARTS})
        if(NOT part IN_LIST ARGN)
            list(REMOVE_ITEM parts ${part})
        endif()
    endforeach()
    list(JOIN parts "-" name)
    if(parts STREQUAL RUMPK_ALL_PARTS)
        set(${OUT} kernel PARENT_SCOPE)
    elseif(name)
        set(${OUT} "kernel-${name}" PARENT_SCOPE)
    else()
        set(${OUT} kernel-plain PARENT_SCOPE)
    endif()
endfunction()

# What the packer takes of one: the ELF. In a process image it goes in as it is, so symbols are left
# behind, but for sanitizers, whose reports want them.
if(RUMPK_IMAGE_KIND STREQUAL "process" AND NOT RUMPK_SANITIZE)
    set(RUMPK_KERNEL_SUFFIX .stripped)
else()
    set(RUMPK_KERNEL_SUFFIX .elf)
endif()

function(rumpk_kernel)
    rumpk_kernel_name(NAME ${ARGN})
    rumpk_parts(parts-${NAME} kernel_options ${ARGN})
    # `hal` is an OBJECT library: the entry is in it and nothing refers to it.
    add_executable(${NAME} $<TARGET_OBJECTS:hal> $<TARGET_OBJECTS:parts-${NAME}>)
    if(cells IN_LIST ARGN)
        target_sources(${NAME} PRIVATE $<TARGET_OBJECTS:hal_user>)
    endif()
    if(views IN_LIST ARGN AND TARGET hal_views)
        target_sources(${NAME} PRIVATE $<TARGET_OBJECTS:hal_views>)
    elseif(TARGET hal_one_view)
        target_sources(${NAME} PRIVATE $<TARGET_OBJECTS:hal_one_view>)
    endif()
    set_target_properties(${NAME} PROPERTIES SUFFIX ".elf" LINKER_LANGUAGE CXX RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
    if(NOT NAME STREQUAL "kernel")
        set_target_properties(${NAME} PROPERTIES EXCLUDE_FROM_ALL TRUE) # linked for the images that want it
    endif()
    target_link_libraries(${NAME} PRIVATE core fdt chacha kstring)
    target_link_options(${NAME} PRIVATE -fuse-ld=lld -Wl,--gc-sections -Wl,-O2 -Wl,--build-id=none -Wl,-z,max-page-size=4096
        ${RUMPK_SANITIZE_FLAGS} ${RUMPK_KERNEL_LINK_FLAGS})
    if(RUMPK_KERNEL_LINKER_SCRIPT)
        set_target_properties(${NAME} PROPERTIES LINK_DEPENDS "${RUMPK_KERNEL_LINKER_SCRIPT}")
        target_link_options(${NAME} PRIVATE -Wl,-T,${RUMPK_KERNEL_LINKER_SCRIPT})
    endif()
    if(RUMPK_IMAGE_KIND STREQUAL "raw")
        target_link_options(${NAME} PRIVATE --target=${RUMPK_TARGET} -nostdlib -static)
    endif()
    if(NOT cells IN_LIST ARGN AND NOT restart IN_LIST ARGN AND NOT views IN_LIST ARGN)
        add_dependencies(kernels ${NAME})
    endif()
    if(RUMPK_KERNEL_SUFFIX STREQUAL ".stripped")
        add_custom_target(${NAME}-stripped DEPENDS "${CMAKE_BINARY_DIR}/${NAME}.stripped")
        if(NOT restart IN_LIST ARGN AND NOT views IN_LIST ARGN)
            add_dependencies(kernels ${NAME}-stripped)
        endif()
        add_custom_command(OUTPUT "${CMAKE_BINARY_DIR}/${NAME}.stripped" DEPENDS ${NAME}
            COMMAND ${CMAKE_OBJCOPY} --strip-all "$<TARGET_FILE:${NAME}>" "${CMAKE_BINARY_DIR}/${NAME}.stripped" VERBATIM)
    endif()
endfunction()

# Every choice.
add_custom_target(kernels)
set(choices "-") # each with a `-` before and behind each part
foreach(part ${RUMPK_PARTS})
    set(with ${choices})
    list(TRANSFORM with APPEND "${part}-")
    list(APPEND choices ${with})
endforeach()
foreach(choice ${choices})
    string(REPLACE "-" ";" parts "${choice}")
    list(REMOVE_ITEM parts "")
    if(views IN_LIST parts AND NOT (TARGET hal_views AND cells IN_LIST parts) AND NOT RUMPK_CELLS_SHARE_A_MAP)
        continue() # there is nothing to see apart
    endif()
    if((shares IN_LIST parts OR managers IN_LIST parts) AND NOT views IN_LIST parts)
        continue()
    endif()
    if(TARGET hal_user OR NOT cells IN_LIST parts)
        rumpk_kernel(${parts})
    endif()
endforeach()
# Of those with `cells`, `restart` or `views`, what scenarios run in (tools/cli/scenarios.py).
rumpk_kernel_name(NAME ${RUMPK_ALL_PARTS} restart)
add_dependencies(kernels ${NAME})
if(RUMPK_KERNEL_SUFFIX STREQUAL ".stripped")
    add_dependencies(kernels ${NAME}-stripped)
endif()
if(TARGET hal_user)
    rumpk_kernel_name(NAME ${RUMPK_ALL_PARTS} cells restart)
    add_dependencies(kernels ${NAME})
endif()
