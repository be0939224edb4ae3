// SPDX-License-Identifier: Apache-2.0
//
// libc++ sorts arrays of numbers out of line, once for all programs: these are the instances its
// <algorithm> declares.
#include <algorithm>

namespace std::inline _LIBCPP_ABI_NAMESPACE {

// The comparison is a tag by now: numbers compare with <.
template <class Tag, class Iterator>
void __sort(Iterator first, Iterator last, Tag) {
    __less<> less;
    const auto depth_limit = 2 * std::__log2i(last - first);
    std::__introsort<_ClassicAlgPolicy, __less<>&, Iterator,
                     __use_branchless_sort<__less<>, Iterator>::value>(first, last, less, depth_limit);
}

template void __sort<__less<char>&, char*>(char*, char*, __less<char>&);
template void __sort<__less<signed char>&, signed char*>(signed char*, signed char*, __less<signed char>&);
template void __sort<__less<unsigned char>&, unsigned char*>(unsigned char*, unsigned char*,
                                                             __less<unsigned char>&);
template void __sort<__less<short>&, short*>(short*, short*, __less<short>&);
template void __sort<__less<unsigned short>&, unsigned short*>(unsigned short*, unsigned short*,
                                                               __less<unsigned short>&);
template void __sort<__less<int>&, int*>(int*, int*, __less<int>&);
template void __sort<__less<unsigned>&, unsigned*>(unsigned*, unsigned*, __less<unsigned>&);
template void __sort<__less<long>&, long*>(long*, long*, __less<long>&);
template void __sort<__less<unsigned long>&, unsigned long*>(unsigned long*, unsigned long*,
                                                             __less<unsigned long>&);
template void __sort<__less<long long>&, long long*>(long long*, long long*, __less<long long>&);
template void __sort<__less<unsigned long long>&, unsigned long long*>(unsigned long long*,
                                                                       unsigned long long*,
                                                                       __less<unsigned long long>&);
template void __sort<__less<float>&, float*>(float*, float*, __less<float>&);
template void __sort<__less<double>&, double*>(double*, double*, __less<double>&);
template void __sort<__less<long double>&, long double*>(long double*, long double*, __less<long double>&);

} // namespace std::inline _LIBCPP_ABI_NAMESPACE
