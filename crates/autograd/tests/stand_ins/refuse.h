// How the stand-ins say no.

#pragma once

#include <cstdarg>
#include <cstdio>

// Says why a call is refused.
template <typename Status>
Status refuse(Status code, const char* format, ...) {
    std::va_list values;
    va_start(values, format);
    std::fprintf(stderr, "stand-in: ");
    std::vfprintf(stderr, format, values);
    std::fprintf(stderr, "\n");
    va_end(values);
    return code;
}
