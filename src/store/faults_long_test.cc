// At each operation of the disk.
#include "store/testing_faults.h"

namespace sextant::store::faults {
namespace {

constexpr uint64_t kStride = 1;

TEST(AllFaults, EachFailingOperationIsAnErrorAndLosesNothing) {
  run_with(Trouble::fails_once, Durability::sync, kStride);
}
TEST(AllFaults, EachFailingOperationIsAnErrorAndLosesNothingWhereSyncIsPeriodic) {
  run_with(Trouble::fails_once, Durability::periodic, kStride);
}
TEST(AllFaults, AFullDiskStopsWritesUntilItHasRoomAgain) { run_with(Trouble::no_space, Durability::sync, kStride); }
TEST(AllFaults, APowerCutLosesNothingThatWasAcknowledged) { cut_power(Durability::sync, false, kStride); }
TEST(AllFaults, APowerCutThatKeepsSomeOfWhatWasNotSyncedLosesNothingThatWasAcknowledged) {
  cut_power(Durability::sync, true, kStride);
}
TEST(AllFaults, APowerCutLeavesAMomentOfThePastWhereSyncIsPeriodic) { cut_power(Durability::periodic, true, kStride); }

}  // namespace
}  // namespace sextant::store::faults
