// SPDX-License-Identifier: Apache-2.0
#include "core/hdf5/h5_foreign_file.h"

#include "core/hdf5/h5_foreign_types.h"
#include "core/hdf5/h5_library.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxDepth = 32;
constexpr uint64_t kChunkCacheBytes = kH5ForeignMaxChunk;
constexpr size_t kChunkCacheSlots = 10007; // a prime, well above the chunks that fit

struct Link {
    std::string name;
    H5L_type_t type;
};
struct Links {
    std::vector<Link> list;
    bool tooMany = false;
};

herr_t collectLink(hid_t, const char* name, const H5L_info_t* info, void* data) {
    Links& links = *static_cast<Links*>(data);
    if (links.list.size() >= kH5ImportMaxNodes) {
        links.tooMany = true;
        return 1;
    }
    links.list.push_back({name, info->type});
    return 0;
}

const char* linkRefusal(H5L_type_t type) {
    switch (type) {
    case H5L_TYPE_SOFT:
        return "a soft link, which is not followed";
    case H5L_TYPE_EXTERNAL:
        return "a link to another file, which is not followed";
    default:
        return "a user-defined link, which is not followed";
    }
}

} // namespace

struct H5ForeignFile::State {
    fs::path path;
    H5Handle file;
    // Of the last read: its cache of chunks serves the next one.
    std::string openName;
    H5Handle openDataset, openType;
    H5Node openNode;

    struct Pending {
        std::string path; ///< "" is the root
        size_t depth;
    };
    std::vector<Pending> pending;
    std::set<haddr_t> groups;
    std::vector<H5Node> nodes;

    Result<void> addNode(H5Node node) {
        if (nodes.size() >= kH5ImportMaxNodes)
            return Error::unsupported(fmt::format("more than {} objects", kH5ImportMaxNodes), path.string());
        nodes.push_back(std::move(node));
        return {};
    }
    Result<void> refuse(const std::string& name, std::string reason) {
        H5Node n;
        n.kind = H5Node::Kind::Refused;
        n.path = name;
        n.reason = std::move(reason);
        n.reason.resize(std::min(n.reason.size(), kH5ImportMaxText));
        return addNode(std::move(n));
    }

    Result<void> listGroup(const Pending& place) {
        const std::string shown = place.path.empty() ? "/" : place.path;
        const H5Handle group(H5Gopen2(file.get(), shown.c_str(), H5P_DEFAULT), H5Gclose);
        if (!group) return refuse(shown, "cannot be opened: " + h5LastFailure());
        H5O_info_t info;
        if (H5Oget_info2(group.get(), &info, H5O_INFO_BASIC) < 0)
            return refuse(shown, "cannot be looked up: " + h5LastFailure());
        if (!groups.insert(info.addr).second)
            return refuse(shown, "a group that is listed under another name already");
        H5Node n;
        n.path = shown;
        n.attributes = h5KnownAttributes(group);
        QS_CHECK(addNode(std::move(n)));
        Links links;
        hsize_t index = 0;
        if (H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_NATIVE, &index, collectLink, &links) < 0)
            return h5Failure(ErrorCode::Corrupt, "cannot list the group", path, shown);
        if (links.tooMany)
            return Error::unsupported(fmt::format("a group with more than {} objects", kH5ImportMaxNodes),
                                      path.string() + ": " + shown);
        for (const Link& link : links.list)
            QS_CHECK(listLink(place, group, link));
        return {};
    }

    Result<void> listLink(const Pending& place, const H5Handle& group, const Link& link) {
        const std::string name = place.path + "/" + link.name;
        // The library would take such a name for a path, and walk it.
        if (link.name.empty() || link.name == "." || link.name.find('/') != std::string::npos)
            return Error::corrupt("an object whose name is empty, '.' or holds '/'",
                                  path.string() + ": " + name);
        if (name.size() > kH5ImportMaxPath)
            return Error::unsupported(
                fmt::format("an object's path has {} bytes, the limit is {}", name.size(), kH5ImportMaxPath),
                path.string());
        if (link.type != H5L_TYPE_HARD) return refuse(name, linkRefusal(link.type));
        const H5Handle object(H5Oopen(group.get(), link.name.c_str(), H5P_DEFAULT), H5Oclose);
        if (!object) return refuse(name, "cannot be opened: " + h5LastFailure());
        const H5I_type_t kind = H5Iget_type(object.get());
        if (kind == H5I_DATASET) {
            auto described = h5DescribeForeign(object);
            if (!described) return refuse(name, described.error().message);
            described->path = name;
            return addNode(std::move(*described));
        }
        if (kind != H5I_GROUP) return refuse(name, "neither a group nor an array");
        if (place.depth + 1 > kMaxDepth)
            return refuse(name, fmt::format("nested more than {} groups deep", kMaxDepth));
        pending.push_back({name, place.depth + 1});
        return {};
    }

    Result<void> openForReading(const std::string& name) {
        if (openDataset && openName == name) return {};
        openDataset = {};
        openType = {};
        QS_CHECK(h5FollowHardLinks(file, path, name));
        const H5Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
        H5Pset_chunk_cache(access.get(), kChunkCacheSlots, kChunkCacheBytes, 1.0);
        H5Handle dataset(H5Dopen2(file.get(), name.c_str(), access.get()), H5Dclose);
        if (!dataset) return h5Failure(ErrorCode::Corrupt, "cannot open the array", path, name);
        auto described = h5DescribeForeign(dataset);
        if (!described) return described.takeError().at(path.string() + ": " + name);
        openNode = std::move(*described);
        openType = h5ForeignMemoryType(dataset, openNode.type);
        openDataset = std::move(dataset);
        openName = name;
        return {};
    }

    /// Row-major elements [first, first + count), as few blocks as possible: each spans whole trailing axes.
    Result<void> readRange(uint64_t first, uint64_t count, std::byte* out) {
        const std::vector<uint64_t>& shape = openNode.shape;
        const size_t rank = shape.size(), element = size_t(dtypeInfo(openNode.type).bits) / 8;
        std::vector<uint64_t> stride(rank, 1);
        for (size_t axis = rank; axis-- > 1;)
            stride[axis - 1] = stride[axis] * shape[axis];
        while (count > 0) {
            std::vector<hsize_t> start(rank), size(rank, 1);
            size_t axis = rank; // the outermost axis of which the block takes several
            bool aligned = true;
            for (size_t i = rank; i-- > 0;) {
                start[i] = first / stride[i] % shape[i];
                if (aligned && stride[i] <= count) axis = i;
                aligned = aligned && start[i] == 0;
            }
            uint64_t taken = 1;
            if (axis < rank) {
                size[axis] = std::min<uint64_t>(count / stride[axis], shape[axis] - start[axis]);
                for (size_t i = axis + 1; i < rank; ++i)
                    size[i] = shape[i];
                taken = size[axis] * stride[axis];
            }
            QS_CHECK(readBlock(start, size, taken, out));
            out += taken * element;
            first += taken;
            count -= taken;
        }
        return {};
    }

    Result<void> readBlock(const std::vector<hsize_t>& start, const std::vector<hsize_t>& size, hsize_t count,
                           std::byte* out) {
        const H5Handle memory(H5Screate_simple(1, &count, nullptr), H5Sclose);
        const H5Handle space(H5Dget_space(openDataset.get()), H5Sclose);
        const bool selected = start.empty() || H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(),
                                                                   nullptr, size.data(), nullptr) >= 0;
        if (!memory || !space || !selected ||
            H5Dread(openDataset.get(), openType.get(), memory.get(), space.get(), H5P_DEFAULT, out) < 0)
            return h5Failure(ErrorCode::Corrupt, "cannot read the array", path, openName);
        return {};
    }
};

H5ForeignFile::H5ForeignFile(std::unique_ptr<State> state) : state_(std::move(state)) {}

H5ForeignFile::~H5ForeignFile() {
    const H5Session session;
    state_->openType.close();
    state_->openDataset.close();
    state_->file.close();
}

Result<std::unique_ptr<H5ForeignFile>> H5ForeignFile::open(const fs::path& path) {
    auto state = std::make_unique<State>();
    state->path = path;
    const H5Session session;
    const H5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_file_locking(access.get(), false, true);
    state->file = H5Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
    if (!state->file) return h5Failure(ErrorCode::Corrupt, "cannot open the HDF5 file", path);
    return std::unique_ptr<H5ForeignFile>(new H5ForeignFile(std::move(state)));
}

Result<H5Listing> H5ForeignFile::list() {
    const H5Session session;
    State& s = *state_;
    s.pending = {{"", 0}};
    s.groups.clear();
    s.nodes.clear();
    while (!s.pending.empty()) {
        const State::Pending next = std::move(s.pending.back());
        s.pending.pop_back();
        QS_CHECK(s.listGroup(next));
    }
    H5Listing listing{std::move(s.nodes)};
    std::sort(listing.nodes.begin(), listing.nodes.end(),
              [](const H5Node& a, const H5Node& b) { return a.path < b.path; });
    return listing;
}

Result<H5Bytes> H5ForeignFile::read(const H5ReadRequest& request) {
    const H5Session session;
    State& s = *state_;
    QS_CHECK(s.openForReading(request.path));
    const uint64_t all = s.openNode.elements(), element = uint64_t(dtypeInfo(s.openNode.type).bits) / 8;
    if (request.first > all || request.count > all - request.first ||
        request.count > kH5ImportMaxRead / element)
        return Error::invalid(fmt::format("elements {} to {} of {} in one request of at most {} bytes",
                                          request.first, request.first + request.count, all,
                                          kH5ImportMaxRead),
                              s.path.string() + ": " + request.path);
    H5Bytes out(request.count * element);
    QS_CHECK(s.readRange(request.first, request.count, out.data()));
    return out;
}

} // namespace qs
