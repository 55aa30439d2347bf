// SPDX-License-Identifier: Apache-2.0
// quantoscope-h5reader FILE: opens one HDF5 file, answers requests on standard input on standard output
// (core/hdf5/h5_import_protocol.h), ends when the input does. Not for people.
#include "app/h5reader/limits.h"
#include "core/hdf5/h5_foreign_file.h"

#include <cerrno>
#include <cstdio>
#include <new>
#include <unistd.h>

using namespace qs;

namespace {

constexpr unsigned kSecondsPerRequest = 120;

bool writeAll(const H5Bytes& bytes) {
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::write(1, bytes.data() + done, bytes.size() - done);
        if (n < 0 && errno != EINTR) return false;
        if (n > 0) done += size_t(n);
    }
    return true;
}

Result<size_t> readSome(std::span<std::byte> out) {
    while (true) {
        const ssize_t n = ::read(0, out.data(), out.size());
        if (n >= 0) return size_t(n);
        if (errno != EINTR) return Error::io("cannot read the request");
    }
}

Result<H5Bytes> answer(H5ForeignFile& file, const H5Received& request) {
    if (request.kind == H5Frame::List) {
        QS_TRY(const H5Listing listing, file.list());
        const H5Bytes bytes = encodeListing(listing);
        if (bytes.size() > kH5ImportMaxListing)
            return Error::unsupported("the names and attributes of the objects are too long");
        return h5Frame(H5Frame::Listing, bytes);
    }
    if (request.kind != H5Frame::Read) return Error::corrupt("a request of no known kind");
    QS_TRY(const H5ReadRequest read, decodeReadRequest(request.payload));
    QS_TRY(const H5Bytes bytes, file.read(read));
    return h5Frame(H5Frame::Data, bytes);
}

H5Bytes guardedAnswer(const Result<std::unique_ptr<H5ForeignFile>>& file, const H5Received& request) {
    try {
        if (!file) return h5Frame(H5Frame::Failure, encodeFailure(file.error()));
        auto bytes = answer(**file, request);
        return bytes ? std::move(*bytes) : h5Frame(H5Frame::Failure, encodeFailure(bytes.error()));
    } catch (const std::bad_alloc&) {
        return h5Frame(
            H5Frame::Failure,
            encodeFailure({ErrorCode::OutOfMemory, "the reading process has not enough memory", {}}));
    }
}

} // namespace

int main(int count, char** arguments) {
    if (count != 2 || ::isatty(0)) {
        std::fputs("quantoscope-h5reader is started by Quantoscope to read one HDF5 file.\n", stderr);
        return 2;
    }
    if (!h5reader::limitResources()) return 3;
    h5reader::allowSeconds(kSecondsPerRequest);
    const auto file = H5ForeignFile::open(arguments[1]);
    h5reader::dropSystemCalls();
    while (true) {
        const auto request = receiveFrame(readSome, 2 * kH5ImportMaxPath);
        if (!request) break;
        h5reader::allowSeconds(kSecondsPerRequest);
        if (!writeAll(guardedAnswer(file, *request))) break;
    }
    ::_exit(0); // the library's clean-up has nothing to add
}
