/** The same library without subtitles, encryption and other tracks, which no camera of a street has. It brings no types of its own. */
declare module "hls.js/light" {
  import Hls from "hls.js";
  export default Hls;
}
